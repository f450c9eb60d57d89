#!/bin/sh
# Asks a service for the proof of a batch: prove.sh [address] [request.json]
#
# Needs buf (npm install -g @bufbuild/buf, or $BUF) and jq. buf learns the messages by reflection.
set -eu
address=${1:-127.0.0.1:50051}
request=${2:-$(dirname "$0")/batch-tiny.json}
buf=${BUF:-buf}

# call METHOD JSON-OR-@FILE: prints the answers, one JSON document each.
# 14 is UNAVAILABLE; buf exits with the status times eight. Repeating is safe: a request id stands for
# one job, however often it is sent.
call() {
  tries=0
  while true; do
    status=0
    "$buf" curl --protocol grpc --http2-prior-knowledge -d "$2" \
      "http://$address/prover.v1.ProverService/$1" || status=$?
    [ "$status" -eq $((14 * 8)) ] && [ "$tries" -lt 6 ] || return "$status"
    tries=$((tries + 1))
    sleep "$tries"
  done
}

job=$(call SubmitProof "@$request" | jq -r .job.jobId)
call WatchProof "{\"jobId\": \"$job\"}" |
  jq --unbuffered -r '.event.job | "\(.state | ltrimstr("JOB_STATE_")) \(.progressPercent // "")"' >&2

ended=$(call GetProof "{\"jobId\": \"$job\"}")
if [ "$(echo "$ended" | jq -r .job.state)" != JOB_STATE_SUCCEEDED ]; then
  echo "$ended" | jq -r '"no proof: \(.job.failure.reason): \(.job.failure.message)"' >&2
  exit 1
fi
claim=$(echo "$ended" | jq -c '.job | {circuitId, proof: .result.proof, publicSignals: .result.publicSignals}')
call VerifyProof "$claim" | jq -r 'if .valid then "valid" else "invalid" end'
calldata=$(echo "$ended" | jq -r .job.result.commitBlock.calldata)
echo "commitBlock calldata: $(echo "$calldata" | base64 -d | wc -c) bytes"
