/** The part of ffjavascript 0.3 that the bench uses; the package has no types of its own. */
declare module "ffjavascript" {
  /**
   * Little-endian bytes in Montgomery form: an affine point, or a Jacobian one of 1.5 times the
   * size.
   */
  type Point = Uint8Array;

  interface Curve {
    readonly G1: CurveGroup;
    readonly G2: CurveGroup;
  }

  interface CurveGroup {
    toAffine(p: Point): Point;
    /** Scalars: 32 B each, little-endian. */
    multiExpAffine(bases: Uint8Array, scalars: Uint8Array): Promise<Point>;
  }

  function buildBn128(singleThread?: boolean): Promise<Curve>;
}
