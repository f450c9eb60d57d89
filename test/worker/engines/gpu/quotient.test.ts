import { afterAll, expect, it } from "vitest";
import { G1, type G1Point } from "../../../../worker/curve.ts";
import {
  QuotientKey,
  quotientKeyBytes,
  quotientScratchBytes,
} from "../../../../worker/engines/gpu/quotient.ts";
import {
  createQuotientKernels,
  freeQuotientKernels,
  type QuotientKernels,
} from "../../../../worker/engines/gpu/quotient-kernels.ts";
import { planRows } from "../../../../worker/engines/gpu/row-plan.ts";
import { referenceQuotient } from "../../../../worker/engines/reference.ts";
import { openWasm } from "../../../../worker/engines/wasm.ts";
import { invert, mod, power, readLE, SCALAR_FIELD } from "../../../../worker/field.ts";
import type { GpuCommands, GpuDevice, GpuSlice } from "../../../../worker/gpu/device.ts";
import { gpuError } from "../../../../worker/gpu/failure.ts";
import type { Zkey } from "../../../../worker/zkey.ts";
import { describeOnDevice } from "../../gpu/describe-on-device.ts";
import { scalarBytes, syntheticZkey } from "../../synthetic-key.ts";
import { narrowed } from "./narrow-device.ts";
import { quotientTwin } from "./quotient-twin.ts";
import { sampleCoefficients, sampleKey, sampleWitness } from "./sample-matrices.ts";

const P = SCALAR_FIELD;

describeOnDevice("worker / engines / gpu / quotient", (open) => {
  let kernels: QuotientKernels | undefined;
  const compiled = (device: GpuDevice) => {
    kernels ??= createQuotientKernels(device);
    return kernels;
  };
  afterAll(() => kernels && freeQuotientKernels(kernels));

  /** The quotients of some witnesses of one key, as one batch. */
  async function quotients(
    zkey: Zkey,
    witnesses: readonly Uint8Array[],
    device?: GpuDevice,
  ): Promise<bigint[][]> {
    const gpu = device ?? (await open());
    const { domainSize } = zkey;
    const before = gpu.allocatedBytes;
    const plan = planRows(zkey, gpu.limits);
    const key = await QuotientKey.load(gpu, compiled(await open()), plan);
    expect(gpu.allocatedBytes - before).toBe(quotientKeyBytes(plan, gpu.limits));
    const proofs = witnesses.length;
    const scratchBytes = key.scratchBytes(proofs);
    expect(scratchBytes).toEqual(quotientScratchBytes(plan, proofs));
    const bytes = Buffer.concat(witnesses);
    const result = new Uint8Array(proofs * domainSize * 32);
    // In the middle of larger buffers, whose other bytes shall stay what they are.
    const room = 2 * gpu.limits.bindingAlignment;
    const buffers = [bytes.length, result.length, ...scratchBytes].map((length) =>
      gpu.createBuffer(length + 2 * room),
    );
    for (const buffer of buffers) {
      await gpu.upload(new Uint8Array(buffer.bytes).fill(0xa5), { buffer });
    }
    const [witness, output, ...scratch] = buffers.map((buffer) => ({
      buffer,
      offset: room,
      bytes: buffer.bytes - 2 * room,
    })) as [Required<GpuSlice>, Required<GpuSlice>];
    await gpu.upload(bytes, { buffer: witness.buffer, offset: room });
    await gpu.submit((commands) => key.record(commands, { proofs, witness, scratch, output }));
    await gpu.download(output, result);
    for (const buffer of buffers) {
      const all = new Uint8Array(buffer.bytes);
      await gpu.download({ buffer }, all);
      expect(all.subarray(0, room).every((byte) => byte === 0xa5)).toBe(true);
      expect(all.subarray(-room).every((byte) => byte === 0xa5)).toBe(true);
      if (buffer === witness.buffer) {
        expect(bytes.equals(all.subarray(room, room + bytes.length)), "witness").toBe(true);
      }
      buffer.free();
    }
    key.free();
    expect(gpu.allocatedBytes).toBe(before);
    return witnesses.map((_, p) =>
      Array.from({ length: domainSize }, (_, i) => readLE(result, 32 * (p * domainSize + i))),
    );
  }

  it.each([2, 4, 8, 64])("equals the reference's, domain %i", async (domain) => {
    const seed = `quotient of ${domain}`;
    const shape = { domain, nVars: 1 + 2 * domain, entries: 3 * domain };
    const zkey = sampleKey(shape, seed);
    for (const kind of ["dense", "bits"] as const) {
      const witness = sampleWitness(shape.nVars, kind, seed);
      const expected = referenceQuotient(zkey, witness);
      expect(quotientTwin(zkey, witness), seed).toEqual(expected);
      expect(await quotients(zkey, [witness]), `${seed}, ${kind}`).toEqual([expected]);
    }
  });

  it.each([9, 10, 12, 13])("equals the twin's with long and empty rows, 2^%i", async (k) => {
    const seed = `quotient of 2^${k}`;
    const shape = { domain: 2 ** k, nVars: 700, entries: 2 ** k, longRow: 5000, values: 40 };
    const zkey = sampleKey(shape, seed);
    const witnesses = (["dense", "bits", "dense"] as const).map((kind, i) =>
      sampleWitness(shape.nVars, kind, `${seed} ${i}`),
    );
    const expected = witnesses.map((witness) => quotientTwin(zkey, witness));
    expect(await quotients(zkey, witnesses), seed).toEqual(expected);
    expect(await quotients(zkey, witnesses.slice(1, 2)), seed).toEqual([expected[1]]);
  });

  // With one entry in each matrix, in rows i and j, the polynomials are multiples of Lagrange's: at x,
  // where x^n = -1, they are -2 w^i / (n (x - w^i)) and the same for j, and their product c is 0.
  it("has Lagrange's polynomials as its law, in a large domain", async () => {
    const k = 16;
    const domainSize = 2 ** k;
    const [i, j] = [5, domainSize - 3];
    const zkey = syntheticZkey({
      ...{ nVars: 3, domainSize, h: [] },
      coefficients: [
        { matrix: 0, constraint: i, signal: 1, value: 7n },
        { matrix: 1, constraint: j, signal: 2, value: 11n },
      ],
    });
    const witnesses = [
      [1n, 3n, 5n],
      [1n, P - 1n, P >> 1n],
    ] as const;
    const got = await quotients(
      zkey,
      witnesses.map((values) => scalarBytes(values)),
    );
    const [w, g] = [domainSize, 2 * domainSize].map((order) =>
      power(5n, (P - 1n) / BigInt(order), P),
    ) as [bigint, bigint];
    const lagrange = (row: number, x: bigint) => {
      const root = power(w, BigInt(row), P);
      return mod(-2n * root * invert(mod(BigInt(domainSize) * (x - root), P), P), P);
    };
    for (const place of [0, 1, 2, 511, 512, domainSize / 2 + 77, domainSize - 1]) {
      const x = (g * power(w, BigInt(place), P)) % P;
      witnesses.forEach(([, u, v], p) => {
        const factor = (7n * u * 11n * v) % P;
        const expected = (factor * lagrange(i, x) * lagrange(j, x)) % P;
        expect(got[p]?.[place], `2^${k}, proof ${p}, value ${place}`).toBe(expected);
      });
    }
  });

  it("is 0 where the matrices are, or one of them", async () => {
    for (const coefficients of [
      [],
      [{ matrix: 1 as const, constraint: 3, signal: 1, value: 5n }],
      [{ matrix: 0 as const, constraint: 3, signal: 1, value: 0n }],
    ]) {
      const zkey = syntheticZkey({ nVars: 2, domainSize: 8, coefficients });
      const got = await quotients(zkey, [sampleWitness(2, "dense", "zeros")]);
      expect(got).toEqual([new Array(8).fill(0n)]);
    }
  });

  it("is the same where wires, values, slots and vectors are bound in slices", async () => {
    const gpu = await open();
    const seed = "slices";
    const shape = { domain: 64, nVars: 300, entries: 900, longRow: 6000 };
    const zkey = sampleKey(shape, seed);
    const witnesses = [0, 1, 2].map((i) => sampleWitness(shape.nVars, "dense", `${seed} ${i}`));
    const expected = witnesses.map((witness) => quotientTwin(zkey, witness));
    // The second is no multiple of any alignment, as some devices have it.
    for (const bindingBytes of [32 * 64, 32 * 64 + 33, 3 * 32 * 64, 16383]) {
      for (const bindingAlignment of [64, 256].filter((a) => a >= gpu.limits.bindingAlignment)) {
        const narrow = narrowed(gpu, { bindingBytes, bindingAlignment });
        const plan = planRows(zkey, narrow.limits);
        if (bindingBytes === 32 * 64) {
          const pieces = plan.stages.flat();
          const firsts = (of: (piece: (typeof pieces)[number]) => object | string) =>
            new Set(pieces.map((piece) => JSON.stringify(of(piece)))).size;
          expect(firsts(({ source }) => source)).toBeGreaterThan(100);
          expect(firsts(({ target }) => target)).toBeGreaterThan(5);
        }
        const got = await quotients(zkey, witnesses, narrow);
        expect(got, `${seed}: ${bindingBytes}, ${bindingAlignment}`).toEqual(expected);
      }
    }
  });

  it("is the same where many small vectors are bound in several windows", async () => {
    const gpu = await open();
    const narrow = narrowed(gpu, { bindingBytes: 1023, bindingAlignment: 256 });
    const zkey = sampleKey({ domain: 2, nVars: 3, entries: 9 }, "small vectors");
    const witnesses = Array.from({ length: 40 }, (_, i) => sampleWitness(3, "dense", `small ${i}`));
    const expected = witnesses.map((witness) => referenceQuotient(zkey, witness));
    expect(await quotients(zkey, witnesses, narrow)).toEqual(expected);
  });

  it("takes as many dispatches for a batch as for one proof", async () => {
    const gpu = await open();
    const zkey = sampleKey({ domain: 1024, nVars: 9, entries: 30, longRow: 40 }, "dispatches");
    const key = await QuotientKey.load(gpu, compiled(gpu), planRows(zkey, gpu.limits));
    const dispatches = (proofs: number) => {
      let count = 0;
      const slice = (bytes: number) => ({ buffer: { bytes, free() {} } });
      const commands: GpuCommands = {
        ...{ dispatch: () => count++, barrier() {}, copy() {}, clear() {} },
      };
      key.record(commands, {
        proofs,
        witness: slice(proofs * 9 * 32),
        scratch: key.scratchBytes(proofs).map(slice),
        output: slice(proofs * 1024 * 32),
      });
      return count;
    };
    // Rows of A and of B, parts of the long row and their sum; a b; three passes of three vectors; h.
    expect(dispatches(1)).toBe(4 + 1 + 9 + 1);
    expect(dispatches(40)).toBe(dispatches(1));
    expect(key.multiplications).toBe(zkey.coefficients.length / 44 + 1024 * (3 * 10 + 2));
    key.free();
  });

  it("gives the sum that the engine of WebAssembly gives", async () => {
    const seed = "beside WebAssembly";
    const domainSize = 2 ** 10;
    const shape = { domain: domainSize, nVars: 500, entries: 4000, longRow: 3000, values: 10 };
    const h: G1Point[] = [];
    while (h.length < domainSize) h.push(G1.add(h.at(-1) ?? G1.infinity, G1.generator));
    const coefficients = sampleCoefficients(shape, seed);
    const zkey = syntheticZkey({ nVars: shape.nVars, domainSize, coefficients, h });
    const witness = sampleWitness(shape.nVars, "dense", seed);
    const [values] = await quotients(zkey, [witness]);
    const engine = await openWasm();
    const key = await engine.loadKey(zkey);
    const run = key.begin(witness);
    const { g1 } = await run.sums({ g1: [[{ section: "h" }]], g2: [] }, () => undefined);
    await run.end();
    key.release();
    await engine.close();
    const scalar = (values as bigint[]).reduce((sum, x, i) => sum + x * BigInt(i + 1), 0n);
    expect(g1[0], seed).toEqual(G1.multiply(G1.generator, scalar % P));
  });

  it("holds nothing when the device's memory ends while a key is loaded", async () => {
    const gpu = await open();
    const plan = planRows(sampleKey({ domain: 8, nVars: 9, entries: 30 }, "memory"), gpu.limits);
    const before = gpu.allocatedBytes;
    for (let room = 0; room < 5; room++) {
      let left = room;
      const small = narrowed(gpu, gpu.limits);
      small.createBuffer = (bytes) => {
        if (left-- === 0) throw gpuError("memory", "no more");
        return gpu.createBuffer(bytes);
      };
      await expect(QuotientKey.load(small, compiled(gpu), plan)).rejects.toThrow("no more");
      expect(gpu.allocatedBytes, `${room} buffers`).toBe(before);
    }
  });

  it("refuses slices that are too short", async () => {
    const gpu = await open();
    const zkey = sampleKey({ domain: 8, nVars: 9, entries: 30, longRow: 40 }, "short");
    const key = await QuotientKey.load(gpu, compiled(gpu), planRows(zkey, gpu.limits));
    const buffer = gpu.createBuffer(4096);
    const slices = [2 * 9, ...key.scratchBytes(2).map((bytes) => bytes / 32), 2 * 8].map((n) => ({
      ...{ buffer, bytes: 32 * n },
    }));
    expect(slices.length).toBe(5);
    for (const [i, short] of slices.entries()) {
      const [witness, b, c, partials, output] = slices.with(i, {
        ...short,
        bytes: short.bytes - 32,
      }) as [GpuSlice, GpuSlice, GpuSlice, GpuSlice, GpuSlice];
      const scratch = [b, c, partials];
      const recorded = gpu.submit((commands) =>
        key.record(commands, { proofs: 2, witness, scratch, output }),
      );
      await expect(recorded, `slice ${i}`).rejects.toThrow(RangeError);
    }
    buffer.free();
    key.free();
  });

  it("refuses a domain that a binding does not take", async () => {
    const gpu = narrowed(await open(), { bindingBytes: 1024, bindingAlignment: 256 });
    const zkey = syntheticZkey({ nVars: 2, domainSize: 64 });
    // The key is too large, and the device of use for others.
    expect(() => planRows(zkey, gpu.limits)).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(/domain of 64, expected at most 32/),
        detail: { gpu: "memory" },
      }),
    );
  });
});
