import { hostname } from "node:os";
import type { Logger } from "pino";
import { VERSION } from "../version.ts";

export interface Span {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits each. */
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly kind: "internal" | "server" | "consumer";
  /** Unix milliseconds. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, string | number>>;
  /** An `ErrorCode`; undefined: it ended well. */
  readonly failure: string | undefined;
}

/** Spans of one request to the collector. */
const BATCH_MAX = 256;
/** Spans that wait for a collector that is away; more are lost. A few minutes of a busy server. */
const WAITING_MAX = 4_096;
const FLUSH_MS = 2_000;
/** A collector that takes longer is away. */
const POST_MS = 5_000;

/** Numbers of opentelemetry.proto.trace.v1. */
const KINDS = { internal: 1, server: 2, consumer: 5 } as const;
const STATUS_ERROR = 2;

/**
 * Sends spans to a collector: OTLP over HTTP, in JSON (opentelemetry.io/docs/specs/otlp). It never
 * fails and never makes anybody wait; what cannot be sent is lost, and the log says so once.
 */
export class SpanExporter {
  readonly #url: string;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  #waiting: Span[] = [];
  #sending: Promise<void> | undefined;
  #isAway = false;

  /** @param url  such as http://127.0.0.1:4318/v1/traces */
  constructor(url: string, { log }: { readonly log: Logger }) {
    this.#url = url;
    this.#log = log;
    this.#timer = setInterval(() => this.#flush(), FLUSH_MS);
    this.#timer.unref();
  }

  add(span: Span): void {
    if (this.#waiting.length < WAITING_MAX) this.#waiting.push(span);
    if (this.#waiting.length >= BATCH_MAX && !this.#isAway) this.#flush();
  }

  /** Sends what waits, if the collector is there. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sending;
    while (this.#waiting.length > 0 && !this.#isAway) await this.#flush();
  }

  #flush(): Promise<void> {
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
    });
    return this.#sending;
  }

  async #send(): Promise<void> {
    const batch = this.#waiting.slice(0, BATCH_MAX);
    if (batch.length === 0) return;
    try {
      const response = await fetch(this.#url, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(requestOf(batch)),
        signal: AbortSignal.timeout(POST_MS),
      });
      await response.arrayBuffer();
      if (response.status === 429 || response.status >= 500) throw new Error("busy");
      // Any other refusal would be repeated for ever.
      if (!response.ok) this.#tellAway(`status ${response.status}`);
      else this.#isAway = false;
      this.#waiting.splice(0, batch.length);
    } catch (error) {
      this.#tellAway((error as Error).name);
    }
  }

  #tellAway(kind: string): void {
    if (!this.#isAway) this.#log.warn({ kind }, "traces cannot be sent");
    this.#isAway = true;
  }
}

function requestOf(spans: readonly Span[]) {
  const resource = {
    "service.name": "proofmill",
    "service.version": VERSION,
    "service.instance.id": `${hostname()}:${process.pid}`,
  };
  return {
    resourceSpans: [
      {
        resource: { attributes: attributesOf(resource) },
        scopeSpans: [{ scope: { name: "proofmill" }, spans: spans.map(spanMessage) }],
      },
    ],
  };
}

function spanMessage({ kind, startMs, endMs, attributes, failure, ...span }: Span) {
  return {
    ...span,
    kind: KINDS[kind],
    startTimeUnixNano: nanoseconds(startMs),
    endTimeUnixNano: nanoseconds(Math.max(startMs, endMs)),
    attributes: attributesOf(attributes),
    status: failure === undefined ? {} : { code: STATUS_ERROR, message: failure },
  };
}

function attributesOf(attributes: Readonly<Record<string, string | number>>) {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === "number" ? { doubleValue: value } : { stringValue: value },
  }));
}

/** A 64-bit number, which JSON cannot hold, as OTLP wants it. */
const nanoseconds = (ms: number): string => (BigInt(Math.round(ms * 1_000)) * 1_000n).toString();
