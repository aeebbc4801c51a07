// Command schema writes the JSON Schema of the configuration document, for
// editors. Names and kinds come from the Go types of the document, descriptions
// from their comments, and limits from their tags and from the table in rules.go.
//
// The schema leaves out what depends on the deployment or on other members: only
// dcrctl config lint checks all of a document. It accepts each document that is
// accepted.
//
//	go run ./internal/tool/schema > docs/configuration.schema.json
package main

import (
	"fmt"
	"os"
)

func main() {
	b, err := build(".")
	if err == nil {
		_, err = os.Stdout.Write(b)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
}
