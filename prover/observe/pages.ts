import { readFile } from "node:fs/promises";
import type { WebHandler } from "../listening/web.ts";
import { PROBE_PATHS } from "./health.ts";
import type { Metrics } from "./metrics.ts";
import type { Overview } from "./overview.ts";
import type { StatusReporter } from "./status-report.ts";

export interface PagesDependencies {
  readonly overview: Overview;
  readonly metrics: Metrics;
  readonly reporter: StatusReporter;
}

interface Answer {
  readonly status?: number;
  readonly type: string;
  readonly body: string | Buffer;
}

const TEXT = "text/plain; charset=utf-8";
const SCRIPT = "text/javascript; charset=utf-8";
const FILES: Readonly<Record<string, string>> = {
  "page.html": "text/html; charset=utf-8",
  "page.css": "text/css; charset=utf-8",
  "page.js": SCRIPT,
  "elements.js": SCRIPT,
  "plot.js": SCRIPT,
  "tables.js": SCRIPT,
  "workers.js": SCRIPT,
};

/**
 * What the admin port answers over HTTP/1: probes, metrics, the status page and its data. It only
 * reads. The caller sees to methods, hosts, rights and headers of security.
 *
 * @throws Error if a file of the page is missing.
 */
export async function openPages({
  overview,
  metrics,
  reporter,
}: PagesDependencies): Promise<WebHandler> {
  const files = new Map<string, Answer>();
  for (const [file, type] of Object.entries(FILES)) {
    files.set(file === "page.html" ? "/" : `/${file}`, {
      type,
      body: await readFile(new URL(`./page/${file}`, import.meta.url)),
    });
  }
  const answerOf = async (path: string): Promise<Answer> => {
    const probe = PROBE_PATHS.get(path);
    if (probe !== undefined) {
      const isSo = overview.health.answers[probe];
      return { status: isSo ? 200 : 503, type: TEXT, body: isSo ? "yes\n" : "no\n" };
    }
    if (path === "/metrics") return { type: metrics.contentType, body: await metrics.text() };
    if (path === "/status.json") {
      return { type: "application/json", body: JSON.stringify(await reporter.report()) };
    }
    return files.get(path) ?? { status: 404, type: TEXT, body: "nothing here; the page is at /\n" };
  };
  return async (request, response) => {
    const path = (request.url ?? "/").split("?", 1)[0] as string;
    const { status = 200, type, body } = await answerOf(path);
    response.writeHead(status, {
      "Content-Type": type,
      "Content-Length": Buffer.byteLength(body),
    });
    response.end(request.method === "HEAD" ? undefined : body);
  };
}
