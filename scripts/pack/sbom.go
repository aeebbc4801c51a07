package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// bom returns a CycloneDX document: each archive with its checksum, and which
// modules it was built of, as Go wrote them into the executable. It has neither
// time nor serial number, by which two builds of the same would differ.
func bom(version string, programs []program, all []shipped) ([]byte, error) {
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

// purl is the package URL: a golang name is in lower case, and what + means in a
// version must be escaped (https://github.com/package-url/purl-spec).
func (m module) purl() string {
	return "pkg:golang/" + strings.ToLower(m.path) + "@" + strings.ReplaceAll(m.version, "+", "%2B")
}
