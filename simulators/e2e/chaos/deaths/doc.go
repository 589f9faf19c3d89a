// Package deaths holds the rows of the scorecard in which real processes die:
// killed at random (R1), dead at each crash point (R2), and killed where a
// promise was broken on purpose, to show that the harness notices. It has no
// code of its own.
package deaths
