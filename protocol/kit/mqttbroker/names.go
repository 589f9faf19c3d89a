package mqttbroker

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/linshao/linshao/protocol/limit"
)

// nameAllowed checks a topic name, or a filter if wildcards are allowed: UTF-8
// without control characters [MQTT-1.5.4-2], not starting with $ (which also
// rules out $SYS and $share), not too deep.
func nameAllowed(s string, wildcards bool) bool {
	if s == "" || s[0] == '$' || strings.Count(s, "/") >= limit.MaxTopicLevels {
		return false
	}
	return wellFormed(s) && (wildcards || !strings.ContainsAny(s, "+#"))
}

func wellFormed(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// validIdentity keeps "identity client-id" unambiguous as a key.
func validIdentity(id Identity) bool {
	return id != "" && wellFormed(string(id)) && !strings.ContainsFunc(string(id), unicode.IsSpace)
}
