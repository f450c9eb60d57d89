/**
 * Checks that a text is well-formed XML of the plain kind that our plots are: elements, attributes
 * in double quotes, text with the five entities. No XML parser comes with Node.
 *
 * @returns the names of all elements, in order.
 * @throws SyntaxError
 */
export function elementsOf(xml: string): string[] {
  const open: string[] = [];
  const names: string[] = [];
  let at = 0;
  const tag =
    /<(\/)?([a-zA-Z][\w-]*)((?:\s+[a-zA-Z][\w:-]*="(?:[^"<&]|&(?:amp|lt|gt|quot|apos);)*")*)\s*(\/)?>/y;
  const words = /(?:[^<&]|&(?:amp|lt|gt|quot|apos);)+/y;
  while (at < xml.length) {
    words.lastIndex = at;
    const text = words.exec(xml)?.[0];
    if (text !== undefined) {
      if (open.length === 0 && text.trim() !== "") throw new SyntaxError(`text outside at ${at}`);
      at += text.length;
      continue;
    }
    tag.lastIndex = at;
    const match = tag.exec(xml);
    if (match === null) throw new SyntaxError(`no tag at ${at}: ${xml.slice(at, at + 60)}`);
    const [whole, isEnd, name, attributes = "", isEmpty] = match as unknown as string[];
    const keys = [...attributes.matchAll(/\s([\w:-]+)=/g)].map(([, key]) => key);
    if (new Set(keys).size !== keys.length) throw new SyntaxError(`an attribute twice at ${at}`);
    if (isEnd) {
      if (open.pop() !== name) throw new SyntaxError(`</${name}> at ${at} ends nothing`);
    } else {
      names.push(name as string);
      if (!isEmpty) open.push(name as string);
    }
    at += (whole as string).length;
  }
  if (open.length > 0) throw new SyntaxError(`<${open.at(-1)}> does not end`);
  return names;
}
