import { MemoryStore } from "../../prover/stores/memory.ts";
import { jobStoreContract, LIMITS } from "./job-store-contract.ts";

jobStoreContract("memory", async (now) => ({
  store: new MemoryStore(LIMITS, { now }),
  close: async () => {},
}));
