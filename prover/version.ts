import { createRequire } from "node:module";

const manifest = createRequire(import.meta.url)("../package.json") as { readonly version: string };

/** This product's version. Not by an import of JSON, for which Node 20 warns on stderr. */
export const VERSION = manifest.version;
