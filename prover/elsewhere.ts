/**
 * Not here, and not now: another thread or another engine can do the task. Its job goes back into the
 * line at no attempt's cost.
 */
export class ElsewhereError extends Error {
  override readonly name: string = "ElsewhereError";
}
