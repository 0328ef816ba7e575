"""LSTM and mean-squared error in plain NumPy, every derivative by hand: a backend under test."""

from gradassay_numpy._backend import NumpyBackend as NumpyBackend
from gradassay_numpy._backend import faulty_backend as faulty_backend
from gradassay_numpy._backend import numpy_backend as numpy_backend
from gradassay_numpy._decorator import backend as backend
from gradassay_numpy._faults import FAULTS as FAULTS
from gradassay_numpy._faults import Planted as Planted
