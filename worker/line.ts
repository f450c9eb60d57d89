/** A waiting line for a team of threads, in the order of arrival. */
import { WorkError } from "./errors.ts";
import type { Member, Team } from "./team.ts";

export class Line {
  readonly #team: Team;
  /** Members with work, or about to get some. */
  readonly #taken = new Set<Member>();
  /** Whoever waits: called with the member that is free for them. */
  readonly #waiting: ((member: Member) => void)[] = [];

  constructor(team: Team) {
    this.#team = team;
  }

  /**
   * Does one thing after the other on each member, and lets members help with proofs while there is
   * nothing else for them to do.
   *
   * @param work    gives the member its task before it awaits anything.
   * @param signal  takes work that waits out of the line.
   * @throws WorkError CANCELLED if `signal` was first; or what the work throws.
   */
  async do<R>(work: (member: Member) => Promise<R>, signal?: AbortSignal): Promise<R> {
    const member = this.#free() ?? (await this.#turn(signal));
    this.#taken.add(member);
    try {
      if (signal?.aborted) throw cancelled();
      const done = work(member);
      this.#team.assist(this.#waiting.length === 0);
      return await done;
    } finally {
      const next = this.#waiting.shift();
      if (next !== undefined) {
        next(member);
      } else {
        this.#taken.delete(member);
        this.#team.assist(true);
      }
    }
  }

  /** One that does nothing, else one that helps. */
  #free(): Member | undefined {
    const free = this.#team.members.filter((member) => !this.#taken.has(member));
    return free.find(({ isHelping }) => !isHelping) ?? free[0];
  }

  #turn(signal: AbortSignal | undefined): Promise<Member> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(cancelled());
      };
      const enter = (member: Member) => {
        signal?.removeEventListener("abort", leave);
        resolve(member);
      };
      this.#waiting.push(enter);
      signal?.addEventListener("abort", leave);
      if (signal?.aborted) leave();
    });
  }
}

function cancelled(): WorkError {
  return new WorkError("CANCELLED", "cancelled on request");
}
