package operator

// ChangedProfiles is changedProfiles.
var ChangedProfiles = changedProfiles
