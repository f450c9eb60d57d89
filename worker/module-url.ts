/**
 * Where a module of this tree is, for what is started by URL: threads.
 *
 * A checkout runs the TypeScript itself; the npm package holds the JavaScript made of it, because Node
 * strips no types below `node_modules`. The compiler turns `import … from "./x.ts"` into `./x.js` and
 * leaves URLs alone. This file is beside the others in both places, so its own name says which it is.
 */
const EXTENSION = /\.\w+$/.exec(new URL(import.meta.url).pathname)?.[0] ?? ".js";

/**
 * The URL under which a module can be started.
 *
 * @param source  `new URL("./thread.ts", import.meta.url)`, in exactly this form: the test of the
 *   folders' imports and the packing read it.
 */
export function moduleUrl(source: URL): URL {
  const url = new URL(source);
  url.pathname = url.pathname.replace(/\.ts$/, EXTENSION);
  return url;
}
