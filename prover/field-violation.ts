/** One field at fault: `field` is a path in the request's proto names. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}
