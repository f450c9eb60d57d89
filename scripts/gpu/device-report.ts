// Opens the device and prints what it is, as JSON, or why there is none. Argument: part of its name.
import { openVulkan } from "../../worker/gpu/vulkan.ts";

const [device] = process.argv.slice(2);
try {
  const opened = await openVulkan(device === undefined ? {} : { device });
  const { name, kind, driver, limits, heaps } = opened;
  console.log(JSON.stringify({ name, kind, driver, limits, heaps }));
  await opened.close();
} catch (error) {
  console.log(JSON.stringify({ error: (error as Error).message }));
}
