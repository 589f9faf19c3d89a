//go:build !chaos

package chaos

// At is where a daemon of a chaos build may die.
func At(string) {}

// Broken reports whether this run is told to break a promise.
func Broken(Break) bool { return false }
