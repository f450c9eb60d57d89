/** What kernels compute with: values, variables, buffers and functions, each known by its id. */

export type Type = "bool" | "u32" | "u64";

/** A computed value. */
export interface Value<T extends Type = Type> {
  readonly type: T;
  readonly id: number;
}

export type Bool = Value<"bool">;
export type U32 = Value<"u32">;
export type U64 = Value<"u64">;
export type Values<P extends readonly Type[]> = { [K in keyof P]: Value<P[K]> };

/** What may be read and set again, private to one invocation. */
export interface Variable<T extends Type = Type> {
  readonly variable: T;
  readonly id: number;
}

/** What a buffer is an array of: words, or four of them at a time, which load faster together. */
export type Element = "u32" | "u32x4";

export interface Buffer<E extends Element = Element> {
  readonly element: E;
  readonly id: number;
}

/** Words that the invocations of a workgroup share. */
export interface Shared {
  readonly id: number;
}

/** A function of values; the body is written once, and the driver decides what is inlined. */
export interface Callee<P extends readonly Type[] = readonly Type[]> {
  readonly id: number;
  readonly parameters: P;
  readonly results: readonly Type[];
}
