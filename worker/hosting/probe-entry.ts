/** The process of `probe.ts`: opens the engine that it is told, closes it, and says what came of it. */
import { type DeviceFacts, type Opener, openHosted } from "./hosted.ts";
import { type Failure, failureOf } from "./message.ts";

export type ProbeAnswer =
  | { readonly kind: "opened"; readonly device: DeviceFacts | undefined }
  | { readonly kind: "failed"; readonly failure: Failure };

process.once("message", async (opener: Opener) => {
  process.send?.(await answerTo(opener), () => process.disconnect?.());
});

async function answerTo(opener: Opener): Promise<ProbeAnswer> {
  try {
    const { engine, device } = await openHosted(opener);
    await engine.close();
    return { kind: "opened", device };
  } catch (error) {
    return { kind: "failed", failure: failureOf(error) };
  }
}
