import { describeRules } from "./rule.ts";
import { TRANSFER_RULES } from "./rules-transfer.ts";
import { TRANSFER_STATE_RULES } from "./rules-transfer-state.ts";

describeRules(TRANSFER_RULES);
describeRules(TRANSFER_STATE_RULES);
