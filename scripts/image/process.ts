import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** What a failed program said last; the beginning of a build's log does not help. */
const TAIL_CHARACTERS = 4_000;

/**
 * @param folder  where it runs.
 * @throws Error with the program's last words.
 */
export async function output(
  program: string,
  words: readonly string[],
  folder?: string,
): Promise<string> {
  try {
    const options = { maxBuffer: 2 ** 26, cwd: folder };
    const { stdout } = await promisify(execFile)(program, words, options);
    return stdout.trim();
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    const tail = `${stdout}${stderr}`.slice(-TAIL_CHARACTERS);
    throw new Error(`${program} ${words[0]} failed:\n${tail || error}`, { cause: error });
  }
}

/** As `output`, for programs whose words do not matter if they end well. */
export async function run(
  program: string,
  words: readonly string[],
  folder?: string,
): Promise<void> {
  await output(program, words, folder);
}
