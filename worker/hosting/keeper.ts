/**
 * Keeps a host with its device: opens it anew when the device is lost, and says when it is to be done
 * without. What ran on it has failed by then, and can be tried again.
 */
import { WorkError } from "../errors.ts";
import { isFatal } from "./host.ts";
import { HostThread, type HostThreadOptions, type HostUse } from "./host-thread.ts";
import type { DeviceFacts } from "./hosted.ts";

export type KeeperState =
  | { readonly kind: "ready"; readonly host: HostThread }
  /** Being opened anew at once. */
  | { readonly kind: "reopening"; readonly error: WorkError }
  /** Tried again later, or, if `isFinal`, not any more. */
  | { readonly kind: "away"; readonly error: WorkError; readonly isFinal: boolean };

export interface KeeperOptions extends HostThreadOptions {
  /** Whether somebody else does the work when the device cannot be had any more. */
  readonly mayGiveUp: boolean;
  /** Between tries, doubled after each; 1 s when left out. */
  readonly retryMs?: number;
  /** Called after each change. */
  readonly onChange?: (state: KeeperState) => void;
}

/** A device that is lost twice within so long is broken. */
const REOPEN_SPAN_MS = 600_000;
/** Most time for opening a device again where another engine could go on. */
const REOPEN_MS = 60_000;
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 60_000;

export class DeviceKeeper {
  /** As it was opened first. */
  readonly engineName: string;
  readonly device: DeviceFacts | undefined;
  readonly #options: KeeperOptions;
  readonly #failures = new Map<string, number>();
  #state: KeeperState;
  #onChange: (state: KeeperState) => void;
  #reopenedMs = Number.NEGATIVE_INFINITY;
  #reopenCount = 0;
  #isClosed = false;
  #wake: () => void = () => {};
  /** Of `settled`. */
  readonly #waiters: (() => void)[] = [];
  #changing: Promise<void> = Promise.resolve();

  private constructor(host: HostThread, options: KeeperOptions) {
    this.engineName = host.name;
    this.device = host.device;
    this.#options = options;
    this.#onChange = options.onChange ?? (() => {});
    this.#state = { kind: "ready", host };
    this.#watch(host);
  }

  /** @throws WorkError ENGINE_UNAVAILABLE */
  static async open(options: KeeperOptions): Promise<DeviceKeeper> {
    return new DeviceKeeper(await HostThread.open(options), options);
  }

  get state(): KeeperState {
    return this.#state;
  }

  /** Undefined while there is no host. */
  get host(): HostThread | undefined {
    return this.#state.kind === "ready" ? this.#state.host : undefined;
  }

  /** The host, as soon as it is known whether there is one: waits while it is opened again. */
  async settled(): Promise<HostThread | undefined> {
    while (this.#state.kind === "reopening" && !this.#isClosed) await this.#nextChange();
    return this.host;
  }

  /** Of the host that there is; undefined while there is none. */
  get use(): HostUse | undefined {
    return this.host?.use;
  }

  /** Failures after which the device was of no use, by `GpuFailure`. */
  get failures(): ReadonlyMap<string, number> {
    return this.#failures;
  }

  get reopenCount(): number {
    return this.#reopenCount;
  }

  /** In place of the option's. */
  onChange(listener: (state: KeeperState) => void): void {
    this.#onChange = listener;
  }

  /** That a run on a host has failed so, before the host says so itself. Idempotent. */
  report(host: HostThread, error: unknown): void {
    if (isFatal(error)) this.#leave(host, error);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    for (const wake of this.#waiters.splice(0)) wake();
    await this.host?.close();
    await this.#changing;
  }

  #watch(host: HostThread): void {
    void host.failed.then((error) => this.#leave(host, error));
  }

  #leave(host: HostThread, error: WorkError): void {
    if (this.#isClosed || host !== this.host) return;
    this.#count(error);
    this.#changing = this.#replace(host, error);
  }

  async #replace(host: HostThread, error: WorkError): Promise<void> {
    // A device that hangs is not to be trusted; one that is lost may come back at once.
    const mayReopen =
      error.detail.gpu === "lost" && performance.now() - this.#reopenedMs > REOPEN_SPAN_MS;
    const { mayGiveUp } = this.#options;
    this.#change(
      mayReopen ? { kind: "reopening", error } : { kind: "away", error, isFinal: mayGiveUp },
    );
    await host.close();
    let reason = error;
    if (mayReopen) {
      const failure = await this.#reopen();
      if (failure === undefined) return;
      reason = failure;
      if (!this.#isClosed) this.#change({ kind: "away", error: reason, isFinal: mayGiveUp });
    }
    const { retryMs = RETRY_MS } = this.#options;
    for (let ms = retryMs; !mayGiveUp && !this.#isClosed; ms = Math.min(2 * ms, RETRY_MAX_MS)) {
      await this.#sleep(ms);
      if (this.#isClosed) return;
      const failure = await this.#reopen();
      if (failure === undefined) return;
    }
  }

  /** @returns why it did not succeed. */
  async #reopen(): Promise<WorkError | undefined> {
    try {
      const { openMs, mayGiveUp } = this.#options;
      // Whoever can do without the device should not wait for it for long.
      const limit = mayGiveUp ? { openMs: Math.min(openMs ?? REOPEN_MS, REOPEN_MS) } : {};
      const host = await HostThread.open({ ...this.#options, ...limit });
      if (this.#isClosed) {
        await host.close();
        return undefined;
      }
      this.#reopenedMs = performance.now();
      this.#reopenCount++;
      this.#change({ kind: "ready", host });
      this.#watch(host);
      return undefined;
    } catch (caught) {
      const error = WorkError.from(caught);
      this.#count(error);
      return error;
    }
  }

  #count({ detail }: WorkError): void {
    const kind = String(detail.gpu ?? "driver");
    this.#failures.set(kind, (this.#failures.get(kind) ?? 0) + 1);
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  #change(state: KeeperState): void {
    this.#state = state;
    for (const wake of this.#waiters.splice(0)) wake();
    this.#onChange(state);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
