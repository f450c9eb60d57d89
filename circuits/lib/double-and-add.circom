// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

// DoubleAndAdd(): out = 2 acc + P for bit 1, 2 acc - P for bit 0, computed as (acc ± P) + acc.
//
//   in   acc[2]  point  trusted: m P in Montgomery form, 2 <= m and 2 m + 1 < order
//   in   p[2]    point  trusted: P in Montgomery form, of exactly the subgroup's prime order
//   in   bit     bool   trusted: boolean by the caller
//   out  out[2]  point  determined: (2 m ± 1) P
//
// The ordinate of acc ± P is never needed: with slope1 through acc and ±P, middle its abscissa, the slope through
// acc ± P and acc is 2 acc_y / (acc_x - middle) - slope1. So six constraints, not seven: three
// an addition, and the sign.
//
//   sound because  both divisors are non-zero, so both slopes are unique. acc_x = P_x needs m = ±1 modulo order:
//                  excluded by 2 <= m < order - 1. acc_x = middle needs m ± 1 = m or m ± 1 = -m modulo order:
//                  excluded by 0 < 2 m ± 1 < order
//   unsound if     m leaves that range: for m = 1 and bit 1 the first slope would be free
template DoubleAndAdd() {
    signal input acc[2];
    signal input p[2];
    signal input bit;
    signal output out[2];

    var A = 168698; // the curve is y^2 = x^3 + A x^2 + x
    signal y <== (2 * bit - 1) * p[1];
    signal slope1 <-- (acc[1] - y) / (acc[0] - p[0]);
    // pinned by: the divisor is not 0
    slope1 * (acc[0] - p[0]) === acc[1] - y;
    signal middle <== slope1 * slope1 - A - acc[0] - p[0];
    signal slope2 <-- 2 * acc[1] / (acc[0] - middle) - slope1;
    // pinned by: the divisor is not 0
    (slope1 + slope2) * (acc[0] - middle) === 2 * acc[1];
    out[0] <== slope2 * slope2 - A - acc[0] - middle;
    out[1] <== slope2 * (acc[0] - out[0]) - acc[1];
}
