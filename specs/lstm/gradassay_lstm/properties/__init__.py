"""The LSTM's own properties: one module, one property."""

from gradassay_lstm.properties.recurrent import recurrent as recurrent

properties = (recurrent,)
