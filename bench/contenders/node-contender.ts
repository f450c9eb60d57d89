/** A contender that is one of the child programs of this folder. */
import type { Fixture } from "../fixtures/fixture.ts";
import { ChildLink } from "./child-link.ts";
import type { Contender, Placement } from "./contender.ts";
import { type ChildProgram, emittedChild } from "./emitted.ts";
import type { Answer, Loaded, ProvedMessage, Request } from "./message.ts";
import { peakBytesOf } from "./process.ts";

/**
 * @param program  of this folder.
 * @param options  what the program takes as its argument.
 * @throws ContenderError if the process dies or refuses the key.
 */
export async function openNodeContender(
  program: ChildProgram,
  options: object,
  fixture: Fixture,
  placement: Placement,
): Promise<Contender> {
  const script = await emittedChild(program);
  const link = new ChildLink<Request, Answer>(script, options, placement);
  try {
    const { zkeyPath, wtnsPath, inputs } = fixture;
    const loaded = (await link.ask({ kind: "load", zkeyPath })) as Loaded;
    const prove = async (request: Request) => (await link.ask(request)) as ProvedMessage;
    return {
      pid: link.pid,
      loaded,
      prove: () => prove({ kind: "prove", wtnsPath }),
      ...(inputs && { proveInputs: () => prove({ kind: "prove-inputs", ...inputs }) }),
      peakBytes: () => peakBytesOf(link.pid),
      close: () => link.close(),
    };
  } catch (error) {
    await link.close();
    throw error;
  }
}
