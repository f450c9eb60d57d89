import { describe, expect, it } from "vitest";
import { probe } from "../../../worker/hosting/probe.ts";

const module = new URL("./crashing-opener.ts", import.meta.url).href;

describe("worker / hosting / probe", () => {
  it("says what device there is, whatever a driver prints", async () => {
    expect(await probe({ module, options: { what: "talk" } })).toMatchObject({ name: "fake" });
  });

  it.each([
    ["refuse", "device", "got no device"],
    ["crash", "driver", "crashed when the device was tried (SIGSEGV)"],
    ["leave", "driver", "crashed when the device was tried (3)"],
  ])("fails when the driver does this: %s", async (what, gpu, message) => {
    await expect(probe({ module, options: { what } })).rejects.toMatchObject({
      code: "ENGINE_UNAVAILABLE",
      detail: { gpu },
      message: expect.stringContaining(message),
    });
  });

  it("ends a driver that does not return", async () => {
    await expect(probe({ module, options: { what: "stand" } }, 1_500)).rejects.toMatchObject({
      detail: { gpu: "driver" },
      message: expect.stringContaining("within 1500 ms"),
    });
  });
});
