import { HttpRequestError } from "viem";
import { describe, expect, it } from "vitest";
import { OperatorError } from "../../operator/errors.ts";
import { nodeFailure } from "../../operator/node-failure.ts";

describe("operator / failure of a node", () => {
  const refused = new HttpRequestError({
    status: 429,
    url: "https://node.example/v3/password",
    body: { method: "eth_call" },
  });

  it("is said without the node's address, also where it was not expected", () => {
    expect(refused.message).toContain("password");
    expect(nodeFailure(refused)).toBe("HttpRequestError: HTTP request failed.");
    expect(OperatorError.from(refused)).toMatchObject({
      code: "BUG",
      message: "HttpRequestError: HTTP request failed.",
      cause: refused,
    });
  });

  it("is what others say, word by word", () => {
    expect(nodeFailure(new RangeError("got 3, expected 2"))).toBe("got 3, expected 2");
    expect(nodeFailure("gone")).toBe("gone");
  });
});
