/**
 * A key of a program that keeps a device: in the device's memory as long as there is one, brought
 * there anew when the device was opened again.
 */
import type { KeySource } from "../engines/wasm/key-load.ts";
import type { Tower } from "../kernels/tower.ts";
import type { PinnedFile } from "../task.ts";
import type { ZkeyHeader } from "../zkey.ts";
import type { HostThread } from "./host-thread.ts";
import type { DeviceKeeper } from "./keeper.ts";
import { LinkedEngine } from "./link.ts";
import type { KeyFile } from "./message.ts";

/** What holds the key in one host's engine. */
interface Hold {
  readonly host: HostThread;
  readonly link: LinkedEngine;
  readonly header: ZkeyHeader;
  readonly sha256: string;
}

export class HostedKey {
  readonly header: ZkeyHeader;
  /** For tasks. A file that came as bytes goes along, so that it can be read again. */
  readonly file: PinnedFile;
  readonly #keeper: DeviceKeeper;
  readonly #tower: Tower;
  #hold: Promise<Hold>;

  private constructor(keeper: DeviceKeeper, tower: Tower, file: KeyFile, hold: Hold) {
    this.#keeper = keeper;
    this.#tower = tower;
    this.#hold = Promise.resolve(hold);
    this.header = hold.header;
    this.file = { ...file, sha256: hold.sha256 };
  }

  /**
   * @param source  read before this returns, and copied if it is bytes.
   * @throws WorkError as `HostKeys.hold`
   */
  static async load(
    keeper: DeviceKeeper,
    host: HostThread,
    tower: Tower,
    source: KeySource,
  ): Promise<HostedKey> {
    const file: KeyFile =
      source instanceof Uint8Array ? { path: "zkey", shared: sharedOf(source) } : source;
    return new HostedKey(keeper, tower, file, await holdOn(host, tower, file));
  }

  /**
   * The host that has the key now; undefined if there is none any more.
   *
   * @throws WorkError as `load`, if the key could not be brought there anew.
   */
  async host(): Promise<HostThread | undefined> {
    const host = await this.#keeper.settled();
    if (host === undefined) return undefined;
    this.#hold = this.#hold
      .catch(() => undefined)
      .then(async (hold) => {
        if (hold?.host === host) return hold;
        await hold?.link.close();
        return holdOn(host, this.#tower, this.file);
      });
    await this.#hold;
    return host;
  }

  /** Lets the key go. No task may use it any more. */
  async release(): Promise<void> {
    const hold = await this.#hold.catch(() => undefined);
    await hold?.link.close();
  }
}

async function holdOn(host: HostThread, tower: Tower, file: KeyFile): Promise<Hold> {
  const link = new LinkedEngine(host.connect(), host.name, tower);
  try {
    const { resident: _, sha256, ...header } = await link.hold(file, true);
    return { host, link, header, sha256 };
  } catch (error) {
    await link.close();
    throw error;
  }
}

function sharedOf(bytes: Uint8Array): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(bytes.length);
  new Uint8Array(shared).set(bytes);
  return shared;
}
