package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// bom returns a CycloneDX document with the checksum of each archive and the
// modules that it was built from, as recorded in the executable. It has no time
// and no serial number, so that two builds of the same source are equal.
func bom(version string, programs []program, all []output) ([]byte, error) {
	const self = "pkg:golang/github.com/dcr-broker/dcr-broker"
	sums := make(map[string]string)
	for _, s := range all {
		sum := sha256.Sum256(s.content)
		sums[s.name] = hex.EncodeToString(sum[:])
	}

	root := cdx.Component{Type: cdx.ComponentTypeApplication, BOMRef: "dcr-broker", Name: "dcr-broker", Version: version, PackageURL: self + "@" + version,
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}}
	var components []cdx.Component
	var archives []string
	var dependencies []cdx.Dependency
	for _, p := range programs {
		components = append(components, cdx.Component{Type: cdx.ComponentTypeApplication, BOMRef: p.archive, Name: p.archive, Version: version,
			Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: sums[p.archive]}}})
		var refs []string
		for _, m := range p.modules() {
			refs = append(refs, m.purl())
		}
		archives = append(archives, p.archive)
		dependencies = append(dependencies, cdx.Dependency{Ref: p.archive, Dependencies: &refs})
	}
	for _, m := range allModules(programs) {
		components = append(components, cdx.Component{Type: cdx.ComponentTypeLibrary, BOMRef: m.purl(), Name: m.path, Version: m.version, PackageURL: m.purl()})
	}
	dependencies = append([]cdx.Dependency{{Ref: root.BOMRef, Dependencies: &archives}}, dependencies...)

	b := cdx.NewBOM()
	b.Metadata = &cdx.Metadata{Component: &root}
	b.Components, b.Dependencies = &components, &dependencies
	var out bytes.Buffer
	err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(b, cdx.SpecVersion1_6)
	return out.Bytes(), err
}

// purl returns the package URL of m. The name of a golang package is in lower
// case, and + in a version is escaped
// (https://github.com/package-url/purl-spec).
func (m module) purl() string {
	return "pkg:golang/" + strings.ToLower(m.path) + "@" + strings.ReplaceAll(m.version, "+", "%2B")
}
