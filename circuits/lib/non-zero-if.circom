// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

// NonZeroIf(): refuses value = 0 unless condition = 0.
//
//   in   condition  field  untrusted: any element; "true" is every element but 0
//   in   value      field  untrusted
//
//   sound because  value = 0 makes the left side 0 for every quotient, so condition must be 0
//   unsound if     never: no demand on the inputs
//
// The quotient is a free wire where value = condition = 0. It occurs in no other constraint, so its freedom says
// nothing; the wire-determinacy check lists it with this reason.
template NonZeroIf() {
    signal input condition;
    signal input value;

    signal quotient <-- value != 0 ? condition / value : 0;
    // pinned by: value != 0 leaves exactly one quotient; value = 0 is discussed above
    value * quotient === condition;
}
