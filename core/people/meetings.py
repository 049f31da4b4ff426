from .detections import *
def untangle(found, chains, rate, usual): return chains
