package device

import "strconv"

// Scalar is a number, or a word that stands for one in an enum.
type Scalar struct {
	// Word is empty once the Scalar is a number.
	Word   string
	Number float64
}

// UnmarshalText takes a number, true, false or a word; it never fails.
func (s *Scalar) UnmarshalText(text []byte) error {
	switch string(text) {
	case "true":
		*s = Scalar{Number: 1}
		return nil
	case "false":
		*s = Scalar{}
		return nil
	}
	if v, err := strconv.ParseFloat(string(text), 64); err == nil {
		*s = Scalar{Number: v}
		return nil
	}
	*s = Scalar{Word: string(text)}
	return nil
}
