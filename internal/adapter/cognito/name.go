package cognito

import (
	"errors"
	"fmt"
	"strings"
)

const (
	// maxName is the most characters that Cognito lets a ClientName have.
	maxName = 128
	// mark introduces our part of the name. No name that a client chose can
	// hold it, since an at sign never survives sanitise.
	mark = " dcr@"
	// nameless stands for a client name of which no letter or digit is left.
	nameless = "client"
)

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

// only reports whether s has characters of the alphabet, and no others. (Regular
// expressions would be compiled at every start.)
func only(s, alphabet string) bool { return s != "" && strings.Trim(s, alphabet) == "" }

// isPool holds for what Cognito documents as [\w-]+_[0-9a-zA-Z]+.
func isPool(s string) bool {
	i := strings.LastIndexByte(s, '_')
	return i > 0 && len(s) <= 55 && only(s[:i], lower+upper+digits+"_-") && only(s[i+1:], lower+upper+digits)
}

func isDeployment(s string) bool { return len(s) <= 32 && only(s, lower+digits+"-") }

func isMarker(s string) bool { return len(s) == 26 && only(s, lower+"234567") }

// CheckDeployment returns an error if id cannot be the id of a deployment:
// 1 to 32 characters of [a-z0-9-].
func CheckDeployment(id string) error {
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
// cut off: Cognito lists no tags and no dates, so the name is all there is to
// tell our app clients by.
func appClientName(clientName, deployment, marker string) string {
	suffix := mark + deployment + "." + marker
	name := sanitise(clientName)
	if room := maxName - len(suffix); len(name) > room {
		name = strings.TrimRight(name[:room], " ")
	}
	return name + suffix
}

// ParseMarker returns the deployment and the marker that the name of an app
// client carries. It reads the end of the name only.
func ParseMarker(name string) (deployment, marker string, ok bool) {
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

// sanitise returns what can be kept of a client name: the ASCII part of
// Cognito's [\w\s+=,.@-] without the at sign, with every run of other
// characters replaced by a hyphen and every run of white space by a space.
func sanitise(clientName string) string {
	var b strings.Builder
	solid, replaced := false, false
	for _, r := range strings.Join(strings.Fields(clientName), " ") {
		alphanumeric := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		keep := alphanumeric || strings.ContainsRune(" _+=,.-", r)
		switch {
		case keep:
			b.WriteRune(r)
		case !replaced:
			b.WriteByte('-')
		}
		solid, replaced = solid || alphanumeric, !keep
	}
	if !solid {
		return nameless
	}
	return b.String()
}
