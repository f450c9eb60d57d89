/**
 * The line, from 1 on, on which an object names a field that it has named before; undefined if none does.
 * JSON.parse takes the last one, and who reads the file may see the first.
 *
 * @param json  that JSON.parse takes.
 */
export function lineOfRepeatedField(json: string): number | undefined {
  /** What is open here: an object's names, or an array. */
  const open: (Set<string> | "array")[] = [];
  let text = "";
  for (const { 0: token, index } of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:]/g)) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push("array");
    else if (token === "}" || token === "]") open.pop();
    else if (token !== ":") text = token;
    else {
      const names = open.at(-1) as Set<string>;
      // Decoded: the same name can be written in several ways.
      if (names.size === names.add(JSON.parse(text)).size) {
        return json.slice(0, index).split("\n").length;
      }
    }
  }
  return undefined;
}
