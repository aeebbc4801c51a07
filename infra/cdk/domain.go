package dcrbroker

func (b *Broker) addDomain(p *Props, a *api) {}
