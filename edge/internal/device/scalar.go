package device

import "strconv"

// Scalar is a number, or a word that stands for one in an enum.
type Scalar struct {
	// Word is empty once the Scalar is a number.
	Word   string
	Number float64
}

// UnmarshalText takes a number, true, false or a word.
func (s *Scalar) UnmarshalText(text []byte) error {
	word := string(text)
	switch word {
	case "true":
		*s = Scalar{Number: 1}
		return nil
	case "false":
		*s = Scalar{}
		return nil
	}
	if v, err := strconv.ParseFloat(word, 64); err == nil && finite(v) {
		*s = Scalar{Number: v}
		return nil
	}
	*s = Scalar{Word: word}
	return nil
}
