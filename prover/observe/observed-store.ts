import { status } from "@grpc/grpc-js";
import { ERRORS, ProverError } from "../errors.ts";
import type { JobStore } from "../job-store.ts";
import type { Observer } from "./observer.ts";

/**
 * The same store, which tells of every operation, every accepted job and every end.
 *
 * A proxy, so that an operation that is added to stores is measured without a word here. Whatever
 * returns a promise is an operation; streams and listeners are passed on.
 */
export function observedStore(store: JobStore, observer: Observer): JobStore {
  store.onEnded((job) => observer.jobEnded(job));
  const wrapped = new Map<unknown, unknown>();
  return new Proxy(store, {
    get(target, name) {
      // The store is `this`, not the proxy, which has no private fields.
      const member: unknown = Reflect.get(target, name, target);
      const known = wrapped.get(member);
      if (known !== undefined) return known;
      if (typeof member !== "function" || typeof name !== "string") return member;
      const operation = (...given: unknown[]): unknown => {
        const startedMs = performance.now();
        const answer: unknown = Reflect.apply(member, target, given);
        if (!(answer instanceof Promise)) return answer;
        const tell = (failure: string | undefined) =>
          observer.storeUsed({
            operation: name,
            elapsedMs: performance.now() - startedMs,
            failure,
          });
        return answer.then(
          (value) => {
            tell(undefined);
            if (name === "submit" && value.created) observer.jobAccepted(value.job);
            return value;
          },
          (error: unknown) => {
            tell(failureOf(error));
            throw error;
          },
        );
      };
      wrapped.set(member, operation);
      return operation;
    },
  });
}

/** Undefined for a refusal, which is an answer. */
function failureOf(error: unknown): string | undefined {
  const { code } = ProverError.from(error);
  const { grpc } = ERRORS[code];
  return grpc === status.UNAVAILABLE || grpc === status.INTERNAL ? code : undefined;
}
