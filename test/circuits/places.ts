export type Path = readonly (string | number)[];

/** Every number in a value, and every list. */
export function* placesIn(value: unknown, path: Path = []): Generator<[Path, unknown]> {
  if (typeof value !== "object" || value === null) {
    yield [path, value];
    return;
  }
  if (Array.isArray(value)) yield [path, value];
  for (const [key, part] of Object.entries(value)) yield* placesIn(part, [...path, key]);
}

/** A copy of the value with one place changed. */
export function changedAt<T>(value: T, [key, ...rest]: Path, change: unknown): T {
  if (key === undefined) return change as T;
  const part = changedAt((value as Record<string, unknown>)[key], rest, change);
  return (Array.isArray(value) ? value.with(Number(key), part) : { ...value, [key]: part }) as T;
}
