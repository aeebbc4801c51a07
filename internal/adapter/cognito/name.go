package cognito

import (
	"errors"
	"fmt"
	"strings"
)

const (
	// maxName is the maximum length of a ClientName in Cognito, in characters.
	maxName = 128
	// mark starts the broker's part of the name. A client's name cannot contain
	// it, since sanitise replaces the at sign.
	mark = " dcr@"
	// nameless replaces a client name without a letter or digit.
	nameless = "client"
)

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

// allIn reports whether s is not empty and all of its characters are in the
// alphabet. A regular expression would be compiled at every start.
func allIn(s, alphabet string) bool { return s != "" && strings.Trim(s, alphabet) == "" }

// isPool reports whether s has Cognito's documented form [\w-]+_[0-9a-zA-Z]+.
func isPool(s string) bool {
	i := strings.LastIndexByte(s, '_')
	return i > 0 && len(s) <= 55 && allIn(s[:i], lower+upper+digits+"_-") && allIn(s[i+1:], lower+upper+digits)
}

func isDeployment(s string) bool { return len(s) <= 32 && allIn(s, lower+digits+"-") }

func isMarker(s string) bool { return len(s) == 26 && allIn(s, lower+"234567") }

// checkDeployment returns an error unless id has the form of a deployment's id:
// 1 to 32 characters of [a-z0-9-].
func checkDeployment(id string) error {
	if !isDeployment(id) {
		return fmt.Errorf("deployment id %q: want 1 to 32 characters of a-z, 0-9 and -", id)
	}
	return nil
}

func checkMarker(marker string) error {
	if !isMarker(marker) {
		return errors.New("the marker of an app client is 26 characters of a-z and 2-7")
	}
	return nil
}

// appClientName returns the name of an app client, in ASCII and of at most 128
// characters, such as "Claude Code -docs- dcr@prod.k3v…". The marker is never
// cut off: Cognito lists no tags and no dates, so the broker finds its app
// clients by their names alone.
func appClientName(clientName, deployment, marker string) string {
	suffix := mark + deployment + "." + marker
	name := sanitise(clientName)
	if room := maxName - len(suffix); len(name) > room {
		name = strings.TrimRight(name[:room], " ")
	}
	return name + suffix
}

// Deployment returns the id of the deployment that made the app client with this
// name, and false if no broker made it.
func Deployment(name string) (string, bool) {
	deployment, _, ok := parseMarker(name)
	return deployment, ok
}

// parseMarker returns the deployment and the marker at the end of an app
// client's name.
func parseMarker(name string) (deployment, marker string, ok bool) {
	i := strings.LastIndex(name, mark)
	if i < 0 {
		return "", "", false
	}
	deployment, marker, _ = strings.Cut(name[i+len(mark):], ".")
	if !isDeployment(deployment) || !isMarker(marker) {
		return "", "", false
	}
	return deployment, marker, true
}

// sanitise returns a client name in the ASCII part of Cognito's [\w\s+=,.@-]
// without the at sign. Every run of other characters becomes a hyphen, every
// run of white space a space.
func sanitise(clientName string) string {
	var b strings.Builder
	solid, replaced := false, false
	for _, r := range strings.Join(strings.Fields(clientName), " ") {
		alphanumeric := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		allowed := alphanumeric || strings.ContainsRune(" _+=,.-", r)
		switch {
		case allowed:
			b.WriteRune(r)
		case !replaced:
			b.WriteByte('-')
		}
		solid, replaced = solid || alphanumeric, !allowed
	}
	if !solid {
		return nameless
	}
	return b.String()
}
