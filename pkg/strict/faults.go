package strict

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxFaults is the number of faults after which only the rest is counted.
const maxFaults = 1000

// Fault is one fault of a document.
type Fault struct {
	// Path is the place of the fault, as in
	// profiles.open.redirect_uris.https[2]. It is empty for a fault of the
	// whole document.
	Path    string
	Message string
}

// String returns path and message.
func (f Fault) String() string {
	if f.Path == "" {
		return f.Message
	}
	return f.Path + ": " + f.Message
}

// Error has all faults of a document, at least one.
type Error struct{ Faults []Fault }

// Error returns the faults, one a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Faults collects faults, so that all of them are reported at once. The zero
// value has none.
type Faults struct {
	list []Fault
	more int             // not listed
	body []byte          // of the document, if it is JSON
	at   map[string]bool // paths of faults (true) and of the values around them
}

// Add adds a fault of the value at path.
func (f *Faults) Add(path, format string, args ...any) {
	if f.at == nil {
		f.at = make(map[string]bool)
	}
	f.at[path] = true
	for i := range path {
		if path[i] == '.' || path[i] == '[' {
			if around := path[:i]; !f.at[around] {
				f.at[around] = false
			}
		}
	}
	if len(f.list) == maxFaults {
		f.more++
		return
	}
	f.list = append(f.list, Fault{path, fmt.Sprintf(format, args...)})
}

// Within reports whether the value at path, or a part of it, has a fault. A
// check of several values asks it first, to report no fault that follows from
// another one.
func (f *Faults) Within(path string) bool {
	_, ok := f.at[path]
	return ok
}

// At reports whether the value at path has a fault of its own, such as another
// kind than the one that is allowed.
func (f *Faults) At(path string) bool { return f.at[path] }

// Err returns an *Error with all faults in the order of the document, or nil if
// there are none. The fault of an absent member stands where the object begins.
func (f *Faults) Err() error {
	if len(f.list) == 0 {
		return nil
	}
	e := &Error{Faults: slices.Clone(f.list)}
	if f.body != nil {
		positions, _ := positionsOf(f.body)
		slices.SortStableFunc(e.Faults, func(a, b Fault) int {
			return cmp.Compare(positions.of(a.Path), positions.of(b.Path))
		})
	}
	if f.more > 0 {
		e.Faults = append(e.Faults, Fault{Message: fmt.Sprintf("%d more faults are not listed", f.more)})
	}
	return e
}

// Index returns the path of an element of the array at path.
func Index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

// Member returns the path of a member of the object at path.
func Member(path, name string) string {
	switch {
	case len(name) > 64 || name == "" || strings.Trim(name, lower+upper+digits+"_-$") != "":
		return path + "[" + Quote(name) + "]"
	case path == "":
		return name
	}
	return path + "." + name
}

// Quote returns at most 64 bytes of s as an ASCII Go string, for a message.
func Quote(s string) string {
	if len(s) > 64 {
		s = s[:64] + "..."
	}
	return strconv.QuoteToASCII(s)
}
