// The status page in a real browser, where there is one.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FakeDevice } from "../../worker/hosting/fake-device.ts";
import {
  chainRequest,
  jsonInput,
  productRequest,
  startTestServer,
  stubbornRequest,
  type TestServer,
} from "../test-server.ts";

const CHROMIUM = "/usr/bin/chromium";
const hasBrowser = existsSync(CHROMIUM);
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

describe.skipIf(!hasBrowser)(
  `prover / status page${hasBrowser ? "" : ` (skipped: no ${CHROMIUM} here)`}`,
  () => {
    let profile: string;
    let browser: BrowserContext;
    beforeAll(async () => {
      const { chromium } = await import("playwright-core");
      profile = await mkdtemp(join(tmpdir(), "browser-"));
      browser = await chromium.launchPersistentContext(profile, {
        executablePath: CHROMIUM,
        headless: true,
        args: FLAGS,
      });
    });
    afterAll(async () => {
      await browser?.close();
      await rm(profile, { recursive: true, force: true });
    });

    /** The page, and what went wrong in it: errors, and requests to anybody else. */
    async function open(under: TestServer): Promise<{ page: Page; faults: string[] }> {
      const origin = `http://127.0.0.1:${under.server.adminPort}`;
      const page = await browser.newPage();
      const faults: string[] = [];
      page.on("console", (message) => {
        if (message.type() !== "log") faults.push(message.text());
      });
      page.on("pageerror", ({ message }) => faults.push(message));
      page.on("request", (request) => {
        const url = request.url();
        if (!url.startsWith(`${origin}/`) && !url.startsWith("data:")) faults.push(url);
        if (request.method() !== "GET") faults.push(request.method());
      });
      await page.goto(`${origin}/`);
      return { page, faults };
    }

    it("shows a job moving through its stages, then among the recent ones, all by itself", async () => {
      await using under = await startTestServer();
      const { page, faults } = await open(under);
      await page.locator("#state", { hasText: "serving" }).waitFor();
      await page.locator("#engine", { hasText: "wasm" }).waitFor();
      const worker = page.locator("#workers li").first();
      await worker.getByText("idle").waitFor();
      // Its witness takes as long as the test lets it.
      await under.client.submit(stubbornRequest({ requestId: "grinding" }));
      await worker.getByText("grinding").waitFor();
      await page.locator('#workers li[data-stage="WITNESS"]').waitFor();
      await under.client.cancel({ requestId: "grinding" });
      await page.locator("#jobs tr", { hasText: "grinding" }).getByText("cancelled").waitFor();
      // The page asks once a second, and a machine may prove faster: until it has seen a proof on
      // its way, the next one begins.
      let isSeen = false;
      const proving = (async () => {
        let proved = 0;
        while (!isSeen) {
          await under.client.prove(chainRequest({ requestId: `block-${proved++}` }));
        }
        return proved;
      })();
      const moving = '[role="progressbar"][aria-valuenow]:not([aria-valuenow="0"])';
      await page.locator(`#workers li[data-stage="PROVING"] ${moving}`).waitFor();
      isSeen = true;
      const proved = await proving;
      const last = page.locator("#jobs tr", { hasText: `block-${proved - 1}` });
      await last.getByText("succeeded").waitFor();
      await page.locator("#proved", { hasText: `${proved} proof` }).waitFor();
      expect(await page.locator("#plot rect.succeeded").count()).toBe(60);
      expect(await page.locator("#development").textContent()).toMatch(/anybody can forge/);
      expect(await page.locator("#circuits .pill.bad").count()).toBe(3);
      expect(faults).toEqual([]);
      await page.close();
    });

    it("shows a failure with its reason, and markup of callers as text", async () => {
      const markup = "<img src=x onerror=\"document.title='owned'\"><b>bold</b>";
      await using under = await startTestServer({ PROVER_CIRCUITS: "product" });
      const broken = productRequest({
        requestId: "bad",
        labels: { note: markup },
        input: jsonInput({ a: 3, b: 5, product: [16] }),
      });
      await expect(under.client.prove(broken)).rejects.toThrow();
      const { page, faults } = await open(under);
      const failure = page.locator("#failures tr", { hasText: "bad" });
      await failure.getByText("WITNESS_UNSATISFIABLE").waitFor();
      await failure.getByText("the inputs break a rule of the circuit").waitFor();
      await page.locator("#failed", { hasText: "1" }).waitFor();
      expect(await page.locator("#jobs .label").textContent()).toBe(`note: ${markup}`);
      expect(await page.locator("main img, main b").count()).toBe(0);
      expect(await page.title()).not.toBe("owned");
      expect(faults).toEqual([]);
      await page.close();
    });

    it("shows the GPU that proves, and in red that it was given up", async () => {
      const device = new FakeDevice();
      const settings = { PROVER_CIRCUITS: "product" };
      await using under = await startTestServer(settings, undefined, device.opener);
      const { page, faults } = await open(under);
      await under.client.prove(productRequest());
      const use = "engine fake (test) with 1 key in 1000 B of 1 GiB, 1.0 proofs at a time";
      await page.locator("#engine", { hasText: use }).waitFor();
      expect(await page.locator("#device").isVisible()).toBe(false);
      device.fail("hang");
      await under.client.prove(productRequest());
      await page.locator("#device", { hasText: "The GPU fake was given up" }).waitFor();
      await page.locator("#engine", { hasText: "engine wasm" }).waitFor();
      expect(faults).toEqual([]);
      await page.close();
    });

    it("fits a phone: only tables may be wider than the screen", async () => {
      await using under = await startTestServer({ PROVER_CIRCUITS: "product" });
      const labels = { long: "x".repeat(200) };
      await under.client.prove(productRequest({ requestId: "y".repeat(128), labels }));
      const { page, faults } = await open(under);
      await page.setViewportSize({ width: 360, height: 740 });
      await page.locator("#jobs tr", { hasText: "yyy" }).waitFor();
      const width = await page.evaluate("document.documentElement.scrollWidth");
      expect(width).toBeLessThanOrEqual(360);
      expect(faults).toEqual([]);
      await page.close();
    });

    it("says that the server drains, then that the connection is lost and what it shows is old", async () => {
      await using under = await startTestServer({ PROVER_CIRCUITS: "product" });
      const { page } = await open(under);
      await page.locator("#state", { hasText: "serving" }).waitFor();
      expect(await page.locator("#lost").isVisible()).toBe(false);
      await under.admin.drain();
      await page.locator("#state", { hasText: "draining" }).waitFor();
      await under.server.close();
      await page.getByRole("alert").getByText("No connection to the server").waitFor();
      await page.locator("#state", { hasText: "connection lost" }).waitFor();
      await page.locator("body.stale").waitFor();
      await page.close();
    });
  },
);
