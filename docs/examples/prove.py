#!/usr/bin/env python3
"""Asks a service for the proof of a batch: prove.py [address] [request.json]

Needs grpcio and protobuf (Debian: python3-grpcio and python3-protobuf).
"""
import json
import pathlib
import random
import sys
import time

import grpc
from google.protobuf import json_format
from reflected import Service

ADDRESS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"
EXAMPLE = pathlib.Path(__file__).with_name("batch-tiny.json")
REQUEST = json.loads(pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else EXAMPLE).read_text())

CALL_S = 30  # deadline of a call; a watch has none, since the pings below notice a dead connection
PATIENCE_S = 60  # for how long a call that fails with UNAVAILABLE is repeated
PINGS = [("grpc.keepalive_time_ms", 30_000), ("grpc.keepalive_timeout_ms", 10_000)]


def patiently(attempt):
    """Repeats `attempt`, which is safe: the request id stands for one job, however often it is sent."""
    until, pause = time.monotonic() + PATIENCE_S, 0.1
    while True:
        try:
            return attempt()
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() + pause > until:
                sys.exit(f"{error.code().name}: {error.details()}")
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(2 * pause, 5)


def watch():
    """Shows the job's progress until it has ended. Goes on after the last event that was seen."""
    global job, seen
    for answer in prover("WatchProof", {"jobId": job.job_id, "afterSequence": seen}):
        job, seen = answer.event.job, answer.event.sequence
        state = json_format.MessageToDict(job)["state"].replace("JOB_STATE_", "").lower()
        share = f"{job.progress_percent} %" if state == "running" else ""
        print(f"\r{state:<10} {share:<5}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


prover = patiently(lambda: Service(grpc.insecure_channel(ADDRESS, PINGS), "prover.v1.ProverService"))
job = patiently(lambda: prover("SubmitProof", REQUEST, timeout=CALL_S)).job
seen = 0
patiently(watch)
if not job.HasField("result"):
    sys.exit(f"no proof: {job.failure.reason}: {job.failure.message}")

result = json_format.MessageToDict(job.result)
claim = {"circuitId": job.circuit_id, "proof": result["proof"], "publicSignals": result["publicSignals"]}
verdict = patiently(lambda: prover("VerifyProof", claim, timeout=CALL_S))
print("valid" if verdict.valid else "invalid", "under development keys" if verdict.development_keys else "")
print("commitBlock calldata:", len(job.result.commit_block.calldata), "bytes")
