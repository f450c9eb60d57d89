import { readFile } from "node:fs/promises";
import { output } from "./process.ts";

/** How npm reaches its registry on this machine, for an npm elsewhere. */
export interface NpmConfiguration {
  /** Of a `.npmrc`. May hold a token: for files of mode 0600 that are removed. */
  readonly text: string;
  readonly cacheDir: string;
  /** The file with the authorities of the registry's certificate; undefined: Node's own. */
  readonly cafile: string | undefined;
}

/** @throws Error if npm does not answer. */
export async function npmConfiguration(): Promise<NpmConfiguration> {
  const setting = async (name: string): Promise<string | undefined> => {
    const value = await output("npm", ["config", "get", name]);
    return ["", "null", "undefined"].includes(value) ? undefined : value;
  };
  const parts: string[] = [];
  for (const name of ["globalconfig", "userconfig"]) {
    const path = await setting(name);
    parts.push(path === undefined ? "" : await readFile(path, "utf8").catch(() => ""));
  }
  // Variables are stronger than files; these two are how machines behind a proxy are set up.
  const cafile = (await setting("cafile")) ?? process.env.NODE_EXTRA_CA_CERTS;
  if (cafile !== undefined) parts.push(`cafile=${cafile}`);
  parts.push(`registry=${await setting("registry")}`);
  return {
    text: `${parts.join("\n")}\n`,
    cacheDir: (await setting("cache")) as string,
    cafile,
  };
}
