/** The part of ffjavascript 0.3 that this project uses; the package has no types of its own. */
declare module "ffjavascript" {
  /**
   * Little-endian bytes in Montgomery form: an affine point, or a Jacobian one of 1.5 times the
   * size.
   */
  type Point = Uint8Array;

  interface Curve {
    readonly G1: CurveGroup;
    readonly G2: CurveGroup;
    readonly Fr: CurveScalars;
    readonly tm: ThreadManager;
    /** Whether the product of e(p, q) over the argument pairs is one. No point at infinity. */
    pairingEq(...pairs: Point[]): Promise<boolean>;
  }

  interface CurveGroup {
    readonly zero: Point;
    add(p: Point, q: Point): Point;
    isZero(p: Point): boolean;
    toAffine(p: Point): Point;
    fromObject(coordinates: readonly unknown[]): Point;
    /** Scalars: 32 B each, little-endian. */
    multiExpAffine(bases: Uint8Array, scalars: Uint8Array): Promise<Point>;
  }

  interface CurveScalars {
    /** Primitive roots of unity of order 2^i. */
    readonly w: readonly Uint8Array[];
    readonly one: Uint8Array;
    fft(values: Uint8Array): Promise<Uint8Array>;
    ifft(values: Uint8Array): Promise<Uint8Array>;
    /** values[i] * first * step^i. */
    batchApplyKey(values: Uint8Array, first: Uint8Array, step: Uint8Array): Promise<Uint8Array>;
  }

  type Command =
    | { readonly cmd: "ALLOC"; readonly var: number; readonly len: number }
    | { readonly cmd: "ALLOCSET"; readonly var: number; readonly buff: Uint8Array }
    | {
        readonly cmd: "CALL";
        readonly fnName: string;
        readonly params: readonly ({ readonly var: number } | { readonly val: number })[];
      }
    | { readonly cmd: "GET"; readonly out: number; readonly var: number; readonly len: number };

  /** Runs lists of commands against a WASM memory; each list starts with an empty scratch area. */
  interface ThreadManager {
    readonly singleThread: boolean;
    readonly concurrency: number;
    queueAction(
      task: readonly Command[],
      transfers?: readonly ArrayBuffer[],
    ): Promise<Uint8Array[]>;
    /** Only with threads: runs on the given idle thread. */
    postAction(thread: number, task: readonly Command[]): Promise<Uint8Array[]>;
    /** Only with threads. */
    terminate(): Promise<void>;
  }

  function buildBn128(singleThread?: boolean): Promise<Curve>;
}
