/**
 * The loop of a child process: answers questions as they come, several at a time if they come so,
 * until the benchmark disconnects. The other end is `child-link.ts`.
 */
import type { Reply } from "./child-link.ts";

export function answerQuestions<Q, A>(answer: (question: Q) => Promise<A>): void {
  const send = (reply: Reply<A>): void => {
    process.send?.(reply);
  };
  process.on("message", ({ id, question }: { id: number; question: Q }) => {
    answer(question).then(
      (result) => send({ id, answer: result }),
      (error: unknown) => send({ id, failed: messageOf(error) }),
    );
  });
  // Threads of a prover would keep its process alive.
  process.on("disconnect", () => process.exit());
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
