// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

// Evaluation(n): y = d[0] + d[1] z + … + d[n - 1] z^(n - 1).
//
//   param  n     number of elements, at least 1
//   in     d[n]  field  untrusted
//   in     z     field  trusted: the contract derives it from keccak256 of its own d and from h
//   out    out   field  determined
//
//   sound because  the contract's d' is fixed by the hash under z, and this d by h under the same z. If they
//                  differ, at most n - 1 values of z make the two evaluations equal, and z is known only after both
//                  are fixed
//   unsound if     z can be known before h or before any element that the contract evaluates
template Evaluation(n) {
    assert(n >= 1);
    signal input d[n];
    signal input z;
    signal output out;

    signal horner[n];
    horner[n - 1] <== d[n - 1];
    for (var i = n - 2; i >= 0; i--) {
        horner[i] <== horner[i + 1] * z + d[i];
    }
    out <== horner[0];
}
