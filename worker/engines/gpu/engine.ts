/** The engine over a `GpuDevice`, whatever interface drives that. */
import type { Engine, ProofRun, ResidentKey } from "../../engine.ts";
import type { GpuDevice } from "../../gpu/device.ts";
import { Tower } from "../../kernels/tower.ts";
import type { Proof } from "../../proof.ts";
import { ProofVerifier } from "../../proof-verifier.ts";
import type { VerificationKey } from "../../verification-key.ts";
import type { Zkey } from "../../zkey.ts";
import { DeviceKey, type DeviceSums, type SectionName, wipeSums } from "./device-key.ts";
import { Kernels } from "./kernels.ts";
import { type Group, Line } from "./line.ts";
import { GpuRun } from "./run.ts";
import { Scratch } from "./scratch.ts";

/** What an engine on a device does and holds, for metrics. */
export interface GpuUse {
  readonly allocatedBytes: number;
  /** Since the start. */
  readonly batches: number;
  /** In those batches, a job for each proof and request of sums. */
  readonly jobs: number;
}

export class GpuEngine implements Engine {
  readonly name: string;
  readonly device: GpuDevice;
  readonly #kernels: Kernels;
  readonly #scratch: Scratch;
  readonly #line = new Line();
  readonly #tower = Tower.open();
  readonly #verifier = new ProofVerifier(this.#tower);
  #closing: Promise<void> | undefined;

  /**
   * Compiles the kernels, on the calling thread: seconds for a driver that has not seen them before.
   *
   * @param name    for people, such as "vulkan".
   * @param device  the engine's from now on.
   * @param kernels  of the device, if they were compiled before.
   * @throws WorkError ENGINE_UNAVAILABLE; the device is then still the caller's.
   */
  constructor(name: string, device: GpuDevice, kernels = new Kernels(device)) {
    this.name = `${name} (${device.name})`;
    this.device = device;
    this.#kernels = kernels;
    this.#scratch = new Scratch(device);
  }

  get use(): GpuUse {
    return { allocatedBytes: this.device.allocatedBytes, ...this.#line.counts };
  }

  /** @throws WorkError ENGINE_UNAVAILABLE, with `detail.gpu` "memory" if the key does not fit. */
  async loadKey(zkey: Zkey): Promise<ResidentKey> {
    const home = { device: this.device, kernels: this.#kernels, scratch: this.#scratch };
    const key = await DeviceKey.load(home, zkey);
    return new GpuKey(key, this.#line, this.#tower);
  }

  verify(key: VerificationKey, publicSignals: readonly bigint[], proof: Proof): Promise<boolean> {
    return this.#verifier.verify(key, publicSignals, proof);
  }

  close(): Promise<void> {
    this.#closing ??= this.#line.empty().then(() => this.device.close());
    return this.#closing;
  }
}

/** Any number of runs may be open; those that wait together are one batch. */
class GpuKey implements ResidentKey {
  readonly #key: DeviceKey;
  readonly #line: Line;
  readonly #tower: Tower;
  readonly #groups = new Map<string, Group<Uint8Array, DeviceSums>>();
  #openRuns = 0;

  constructor(key: DeviceKey, line: Line, tower: Tower) {
    this.#key = key;
    this.#line = line;
    this.#tower = tower;
  }

  begin(witness: Uint8Array): ProofRun {
    this.#openRuns++;
    return new GpuRun(
      witness,
      (bytes, sections, signal, onProgress) =>
        this.#line.do(this.#groupOf(sections), bytes, signal, onProgress),
      this.#tower,
      () => this.#openRuns--,
    );
  }

  release(): void {
    if (this.#openRuns > 0) throw new TypeError(`got ${this.#openRuns} open runs, expected none`);
    this.#key.free();
  }

  #groupOf(sections: readonly SectionName[]): Group<Uint8Array, DeviceSums> {
    const name = sections.join();
    const group = this.#groups.get(name) ?? {
      batchMax: () => this.#key.batchMax(sections),
      work: (witnesses: readonly Uint8Array[], onProgress: (done: number) => void) =>
        this.#key.sums(witnesses, sections, onProgress),
      discard: wipeSums,
    };
    this.#groups.set(name, group);
    return group;
  }
}
