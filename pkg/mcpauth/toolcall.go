package mcpauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// calledTools returns the names of the tools that a request calls, and leaves
// the body readable. The error is a *bodyError.
//
// It reads the body and not the header Mcp-Name, because the server acts on the
// body. The body must mean the same to every JSON decoder: some use the first
// of two equal names and some the last, some ignore case, and some ignore the
// text after the first value. Otherwise a request could call one tool for this
// package and another one for the server, and the scopes of the wrong tool
// would be checked.
func (g *Guard) calledTools(w http.ResponseWriter, r *http.Request) ([]string, error) {
	if len(g.toolScopes) == 0 || r.Method != http.MethodPost || r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	r.Body.Close()
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &bodyError{http.StatusRequestEntityTooLarge, codeInvalidRequest, fmt.Sprintf("the body is longer than %d bytes", MaxBody)}
	}
	if err != nil {
		return nil, &bodyError{http.StatusBadRequest, codeParse, "the body could not be read"}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	tools, err := toolsOf(body)
	if err != nil {
		return nil, &bodyError{http.StatusBadRequest, codeParse, err.Error()}
	}
	return tools, nil
}

// toolsOf returns the tools that a JSON-RPC message, or a batch of them (MCP
// 2025-03-26), calls.
func toolsOf(body []byte) ([]string, error) {
	if !json.Valid(body) {
		return nil, errors.New("the body is not one JSON value")
	}
	var messages []json.RawMessage
	if json.Unmarshal(body, &messages) != nil {
		messages = []json.RawMessage{body} // not an array
	}
	var tools []string
	for _, m := range messages {
		message, err := members(m, "method", "params")
		if err != nil {
			return nil, err
		}
		if stringOf(message["method"]) != "tools/call" {
			continue
		}
		params, err := members(message["params"], "name")
		if err != nil {
			return nil, err
		}
		tools = append(tools, stringOf(params["name"]))
	}
	return tools, nil
}

// members returns the named members of an object. A member that occurs twice or
// in another case is an error. A value that is not an object has no members.
func members(value json.RawMessage, names ...string) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(value))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, nil
	}
	found := make(map[string]json.RawMessage)
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, errNotRead
		}
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return nil, errNotRead
		}
		key, _ := tok.(string)
		for _, name := range names {
			if !strings.EqualFold(key, name) {
				continue
			}
			if _, again := found[name]; again || key != name {
				return nil, fmt.Errorf("the member %s must occur once, in this spelling", name)
			}
			found[name] = v
		}
	}
	return found, nil
}

// errNotRead is in an answer, so it has no text of a library.
var errNotRead = errors.New("the body could not be read as JSON")

// stringOf returns the string in value, or "" if it is not a string.
func stringOf(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) != nil {
		return ""
	}
	return s
}

// Codes of JSON-RPC 2.0.
const (
	codeParse          = -32700
	codeInvalidRequest = -32600
)

// bodyError is the error of a body that cannot be read. It is written as a
// JSON-RPC error.
type bodyError struct {
	status, code int
	message      string
}

func (e *bodyError) Error() string { return e.message }

func (e *bodyError) write(w http.ResponseWriter) {
	body, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": nil, "error": map[string]any{"code": e.code, "message": e.message},
	})
	if err != nil { // cannot happen with a number and a string
		panic(err)
	}
	writeJSON(w, e.status, body)
}
