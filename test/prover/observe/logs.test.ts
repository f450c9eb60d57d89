import { describe, expect, it } from "vitest";
import { chainRequest, jsonInput, productRequest, startTestServer } from "../test-server.ts";

const MARK = "MARKER51c8";

describe("prover / log", () => {
  it("has events with fields: what runs and why, then each attempt with its times or its fault", async () => {
    await using under = await startTestServer();
    await under.client.prove(productRequest());
    const broken = productRequest({ input: jsonInput({ a: 777123, b: 5, product: [16] }) });
    await expect(under.client.prove(broken)).rejects.toThrow();
    const retried = chainRequest();
    const { job } = await under.client.submit(retried);
    const jobId = job?.jobId as string;
    for await (const { job: now } of under.client.watch({ jobId })) if (now?.stage !== 0) break;
    await under.server.pool.slots[0]?.end();
    await under.client.wait({ jobId });

    const events = (msg: string) => under.logged.filter((line) => line.msg === msg);
    expect(events("files checked")).toHaveLength(3);
    expect(events("key loaded").map(({ circuitId }) => circuitId)).toEqual([
      "chain",
      "product",
      "stubborn",
    ]);
    expect(events("serving")).toMatchObject([
      { role: "all", engine: expect.stringMatching(/^wasm/), refused: expect.any(Array) },
    ]);
    const times = {
      loading: expect.any(Number),
      witness: expect.any(Number),
      proving: expect.any(Number),
      verifying: expect.any(Number),
    };
    expect(events("attempt ended")).toMatchObject([
      { circuitId: "product", attempt: 1, state: "SUCCEEDED", stageMs: times },
      { circuitId: "product", state: "FAILED", reason: "WITNESS_UNSATISFIABLE" },
      { jobId, attempt: 1, state: "QUEUED", reason: "WORKER_LOST" },
      { jobId, attempt: 2, state: "SUCCEEDED", stageMs: times },
    ]);
    // Prose would have its facts in its text.
    for (const { msg } of under.logged) expect(msg).toMatch(/^[a-z][A-Za-z :]*$/);
  });

  it("holds nothing of inputs, labels and names that callers choose", async () => {
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" });
    const named = { requestId: `${MARK}-id`, labels: { note: MARK } };
    await under.client.prove(
      productRequest({ ...named, input: jsonInput({ a: 777123, b: 1, product: ["777123"] }) }),
    );
    const unknown = productRequest({ requestId: `${MARK}-2`, circuitId: MARK });
    await expect(under.client.submit(unknown)).rejects.toThrow();
    const odd = productRequest({ input: jsonInput({ [MARK]: 777123 }) });
    await expect(under.client.submit(odd)).rejects.toThrow();
    await under.server.close();
    const text = JSON.stringify(under.logged);
    expect(text).not.toContain(MARK);
    expect(text).not.toContain("777123");
  });
});
