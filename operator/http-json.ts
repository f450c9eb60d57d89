// The little of HTTP that a JSON API needs: bounded bodies, one form of error, nothing else.

import type { IncomingMessage, ServerResponse } from "node:http";
import { errorBody, OPERATOR_ERRORS, OperatorError } from "./errors.ts";

/**
 * @returns the parsed body.
 * @throws OperatorError CONTENT_TYPE, BODY_TOO_LARGE, JSON_MALFORMED
 */
export async function readJson(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const contentType = request.headers["content-type"] ?? "";
  // Also keeps web pages out: a browser asks first before it sends this type to another origin.
  if (!/^application\/json\s*(;|$)/i.test(contentType)) {
    throw new OperatorError("CONTENT_TYPE", "send the header content-type: application/json.", {
      path: "content-type",
      got: contentType.slice(0, 60) || "nothing",
      expected: "application/json",
    });
  }
  const tooLarge = (got: string): OperatorError =>
    new OperatorError("BODY_TOO_LARGE", `the body may have ${maxBytes} bytes.`, {
      path: "body",
      got,
      expected: `at most ${maxBytes} bytes`,
    });
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > maxBytes) throw tooLarge(`${announced} bytes`);
  const chunks: Buffer[] = [];
  let length = 0;
  // Leaving the loop must not destroy the socket: the refusal has to get through.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    length += chunk.length;
    if (length > maxBytes) throw tooLarge(`more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString("utf8");
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OperatorError(
      "JSON_MALFORMED",
      "the body is not JSON.",
      { path: "body", got: `${length} bytes`, expected: "a JSON object" },
      { cause },
    );
  }
}

/** Bigints become decimal strings. */
export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body, (_key, value: unknown) =>
    typeof value === "bigint" ? String(value) : value,
  );
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(text);
}

export function sendError(response: ServerResponse, error: OperatorError): void {
  const { httpStatus } = OPERATOR_ERRORS[error.code];
  if (httpStatus === 503 || httpStatus === 429) response.setHeader("retry-after", "5");
  // What was not read of a refused body would be taken for the next request.
  if (error.code === "BODY_TOO_LARGE") response.setHeader("connection", "close");
  sendJson(response, httpStatus, errorBody(error));
}
