// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/poseidon.circom";

// PoseidonAfterFirstLayer(nInputs): what is left of Poseidon(nInputs) once the first layer of S-boxes has been
// applied.
//
//   param  nInputs             1 … 5, the widths that a test covers
//   in     layer[nInputs + 1]  field  trusted: layer[0] = C[0]^5 and layer[i] = (input[i - 1] + C[i])^5, with C =
//                                     POSEIDON_C
//   out    out             field  determined: Poseidon(nInputs)(input)
//
//   sound because  these are circomlib's rounds with circomlib's constants, S-boxes and matrices, from the second
//                  layer on. A test compares the two at every width
//   unsound if     `layer` is anything but the first layer of S-boxes
//
// Poseidon's first round treats each input on its own. A caller with two hashes that share inputs can share that
// work: see NodeUpdate.
template PoseidonAfterFirstLayer(nInputs) {
    assert(nInputs >= 1);
    assert(nInputs <= 5);
    var t = nInputs + 1;
    var halfRounds = 4; // full rounds before the partial ones, and again after them
    var partialRoundsOf[5] = [56, 57, 56, 60, 60];
    var partialRounds = partialRoundsOf[nInputs - 1];
    var C[2 * halfRounds * t + partialRounds] = POSEIDON_C(t);
    var S[partialRounds * (2 * t - 1)] = POSEIDON_S(t);
    var M[t][t] = POSEIDON_M(t);
    var P[t][t] = POSEIDON_P(t);
    signal input layer[t];
    signal output out;

    signal before[halfRounds][t];
    signal beforeMixed[halfRounds][t];
    before[0] <== layer;
    for (var r = 0; r < halfRounds; r++) {
        if (r < halfRounds - 1) {
            beforeMixed[r] <== Mix(t, M)(Ark(t, C, (r + 1) * t)(before[r]));
            for (var i = 0; i < t; i++) {
                before[r + 1][i] <== Sigma()(beforeMixed[r][i]);
            }
        } else {
            beforeMixed[r] <== Mix(t, P)(Ark(t, C, (r + 1) * t)(before[r]));
        }
    }

    var partialStart = (halfRounds + 1) * t;
    signal partial[partialRounds + 1][t];
    signal partialFirst[partialRounds];
    partial[0] <== beforeMixed[halfRounds - 1];
    for (var r = 0; r < partialRounds; r++) {
        partialFirst[r] <== Sigma()(partial[r][0]);
        var state[t] = partial[r];
        state[0] = partialFirst[r] + C[partialStart + r];
        partial[r + 1] <== MixS(t, S, r)(state);
    }

    var afterStart = partialStart + partialRounds;
    signal after[halfRounds][t];
    signal afterMixed[halfRounds][t];
    afterMixed[0] <== partial[partialRounds];
    for (var r = 0; r < halfRounds; r++) {
        for (var i = 0; i < t; i++) {
            after[r][i] <== Sigma()(afterMixed[r][i]);
        }
        if (r < halfRounds - 1) {
            afterMixed[r + 1] <== Mix(t, M)(Ark(t, C, afterStart + r * t)(after[r]));
        }
    }
    out <== MixLast(t, M, 0)(after[halfRounds - 1]);
}
