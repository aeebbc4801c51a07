package broker

import "time"

// metric returns the attributes that make a log line of JSON count one in the
// metric of that name: CloudWatch's embedded metric format, without dimensions.
func metric(name string, now time.Time) []any {
	type definition struct{ Name, Unit string }
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []definition
	}
	type metadata struct {
		Timestamp         int64 // milliseconds
		CloudWatchMetrics []directive
	}
	return []any{
		"_aws", metadata{now.UnixMilli(), []directive{{"dcr-broker", [][]string{{}}, []definition{{name, "Count"}}}}},
		name, 1,
	}
}
