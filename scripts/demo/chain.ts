// A local EVM chain behind a JSON-RPC server, as a process of its own; says where it listens.
import { network } from "hardhat";

const server = await network.createServer({ network: "default" }, "127.0.0.1", 0);
const { address, port } = await server.listen();
process.stdout.write(`${JSON.stringify({ rpcUrl: `http://${address}:${port}` })}\n`);
