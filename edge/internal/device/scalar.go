package device

import (
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// Scalar is a number, or a word that stands for one in an enum.
type Scalar struct {
	// Word is empty once the Scalar is a number.
	Word   string
	Number float64
}

// UnmarshalYAML takes a number, true, false or a word.
func (s *Scalar) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("write a number, true, false or a word of the metric's enum")
	}
	switch n.Value {
	case "true":
		*s = Scalar{Number: 1}
		return nil
	case "false":
		*s = Scalar{}
		return nil
	}
	if v, err := strconv.ParseFloat(n.Value, 64); err == nil {
		*s = Scalar{Number: v}
		return nil
	}
	*s = Scalar{Word: n.Value}
	return nil
}
